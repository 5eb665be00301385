// A fake CUDA driver without a device. It has what cuDNN requires to make plans: modules can be
// loaded, but nothing can be run.
//
// cuDNN compiles kernels for a device that is only described to it, but loads them with the driver
// library. Tests that link this library, which has the driver's file name, use it instead.
#include <cstddef>

namespace {

constexpr int kSuccess = 0, kNoDevice = 100;
char anything[256];  // handles point to it; its contents are not used

}  // namespace

extern "C" {

int cuDriverGetVersion(int* version) {
  *version = 13000;
  return kSuccess;
}
int cuGetErrorString(int, const char** text) {
  *text = "no device";
  return kSuccess;
}
int cuGetErrorName(int, const char** text) {
  *text = "CUDA_ERROR_NO_DEVICE";
  return kSuccess;
}

int cuLibraryLoadData(void** library, const void*, void*, void*, unsigned, void*, void*, unsigned) {
  *library = anything;
  return kSuccess;
}
int cuLibraryGetKernel(void** kernel, void*, const char*) {
  *kernel = anything;
  return kSuccess;
}
int cuLibraryUnload(void*) { return kSuccess; }
int cuKernelGetFunction(void** function, void*) {
  *function = anything;
  return kSuccess;
}
int cuKernelSetAttribute(int, int, void*, int) { return kSuccess; }
int cuModuleLoadData(void** module, const void*) {
  *module = anything;
  return kSuccess;
}
int cuModuleGetFunction(void** function, void*, const char*) {
  *function = anything;
  return kSuccess;
}
int cuModuleUnload(void*) { return kSuccess; }
int cuFuncSetAttribute(void*, int, int) { return kSuccess; }
int cuFuncGetAttribute(int* value, int, void*) {
  *value = 0;
  return kSuccess;
}

int cuCtxGetCurrent(void**) { return kNoDevice; }
int cuCtxGetLimit(std::size_t*, int) { return kNoDevice; }
int cuCtxPopCurrent(void**) { return kNoDevice; }
int cuCtxPushCurrent(void*) { return kNoDevice; }
int cuDeviceGet(int*, int) { return kNoDevice; }
int cuDeviceGetCount(int*) { return kNoDevice; }
int cuKernelGetAttribute(int*, int, void*, int) { return kNoDevice; }
int cuLaunchCooperativeKernel() { return kNoDevice; }
int cuLaunchKernel() { return kNoDevice; }
int cuLaunchKernelEx() { return kNoDevice; }
int cuLibraryLoadFromFile() { return kNoDevice; }
int cuLinkAddData() { return kNoDevice; }
int cuLinkComplete() { return kNoDevice; }
int cuLinkCreate() { return kNoDevice; }
int cuLinkDestroy() { return kNoDevice; }
int cuOccupancyMaxPotentialClusterSize() { return kNoDevice; }
int cuStreamGetCtx() { return kNoDevice; }

}  // extern "C"
