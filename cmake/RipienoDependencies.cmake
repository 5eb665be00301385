# Finds the dependencies. Sets RIPIENO_HAS_CUDA (the toolkit), RIPIENO_EMULATES_CUDA,
# RIPIENO_HAS_CUDNN, RIPIENO_HAS_NCCL, RIPIENO_HAS_MPI and RIPIENO_HAS_ONEDNN.

# Stops with an error if ${option} is ON but `found` is false, or if its value is invalid.
function(ripieno_check_option option found what)
  string(TOUPPER "${${option}}" wanted)
  if(wanted STREQUAL "ON" AND NOT found)
    message(FATAL_ERROR "${option}=ON, but ${what} was not found. Install it or set ${option}=OFF.")
  elseif(NOT wanted MATCHES "^(AUTO|ON|OFF)$")
    message(FATAL_ERROR "${option}=${wanted}; must be AUTO, ON or OFF (RIPIENO_CUDA: also EMULATED).")
  endif()
endfunction()

find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(Eigen3 3.4 REQUIRED NO_MODULE)
find_path(XXHASH_INCLUDE_DIR xxhash.h REQUIRED)
find_library(XXHASH_LIBRARY xxhash REQUIRED)
mark_as_advanced(XXHASH_INCLUDE_DIR XXHASH_LIBRARY)
add_library(xxHash::xxhash UNKNOWN IMPORTED)
set_target_properties(xxHash::xxhash PROPERTIES IMPORTED_LOCATION ${XXHASH_LIBRARY}
  INTERFACE_INCLUDE_DIRECTORIES ${XXHASH_INCLUDE_DIR})
find_package(ZLIB REQUIRED)
find_path(ZSTD_INCLUDE_DIR zstd.h REQUIRED)
find_library(ZSTD_LIBRARY zstd REQUIRED)
mark_as_advanced(ZSTD_INCLUDE_DIR ZSTD_LIBRARY)
add_library(zstd::zstd UNKNOWN IMPORTED)
set_target_properties(zstd::zstd PROPERTIES IMPORTED_LOCATION ${ZSTD_LIBRARY}
  INTERFACE_INCLUDE_DIRECTORIES ${ZSTD_INCLUDE_DIR})
set(HDF5_PREFER_PARALLEL OFF)
find_package(HDF5 REQUIRED COMPONENTS C)

if(RIPIENO_OPENMP)
  find_package(OpenMP REQUIRED COMPONENTS CXX)
endif()

set(RIPIENO_HAS_ONEDNN false)
if(RIPIENO_ONEDNN AND RIPIENO_OPENMP)
  # Without its package file, which requires OpenCL headers if the library was built with OpenCL.
  find_path(DNNL_INCLUDE_DIR dnnl.h)
  find_library(DNNL_LIBRARY dnnl)
  mark_as_advanced(DNNL_INCLUDE_DIR DNNL_LIBRARY)
  if(DNNL_INCLUDE_DIR AND DNNL_LIBRARY)
    add_library(DNNL::dnnl UNKNOWN IMPORTED)
    set_target_properties(DNNL::dnnl PROPERTIES IMPORTED_LOCATION ${DNNL_LIBRARY}
      INTERFACE_INCLUDE_DIRECTORIES ${DNNL_INCLUDE_DIR})
    set(RIPIENO_HAS_ONEDNN true)
  else()
    message(STATUS "oneDNN was not found; CPU matrix products use Ripieno's own kernels")
  endif()
endif()

set(RIPIENO_HAS_CUDA false)
set(RIPIENO_EMULATES_CUDA false)
if(RIPIENO_CUDA STREQUAL "EMULATED")
  set(RIPIENO_EMULATES_CUDA true)
elseif(NOT RIPIENO_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  check_language(CUDA)
  ripieno_check_option(RIPIENO_CUDA "${CMAKE_CUDA_COMPILER}" "nvcc")
  if(CMAKE_CUDA_COMPILER)
    if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
      # Fixed, not detected, so that a machine without a GPU builds the same.
      set(CMAKE_CUDA_ARCHITECTURES 80-real 90-real 100-real 100-virtual CACHE STRING
        "GPU architectures to compile for")
    endif()
    enable_language(CUDA)
    # CMake 3.25.1 expects this target, but toolkit 13 no longer has it.
    if(NOT TARGET CUDA::nvToolsExt)
      add_library(CUDA::nvToolsExt INTERFACE IMPORTED)
    endif()
    find_package(CUDAToolkit REQUIRED)
    # CMake 3.25 lacks the C++20 options of nvcc.
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
    set(RIPIENO_HAS_CUDA true)
  endif()
endif()

# cuDNN and NCCL are loaded at run time (kernels/cuda/runtime/nvidia_libraries.h): only headers are
# required, and the library's file, if it is found, is the one that is tried first.
include(RipienoNvidia)

set(RIPIENO_HAS_CUDNN false)
if(NOT RIPIENO_CUDNN STREQUAL "OFF")
  set(found OFF)
  if(RIPIENO_HAS_CUDA)
    ripieno_find_nvidia(CUDNN cudnn cudnn_version.h libcudnn.so.9)
  endif()
  if(RIPIENO_HAS_CUDA AND CUDNN_INCLUDE_DIR)
    file(STRINGS ${CUDNN_INCLUDE_DIR}/cudnn_version.h version REGEX "define CUDNN_(MAJOR|MINOR) ")
    string(REGEX REPLACE "[^0-9]+" "." version "${version}")
    string(REGEX REPLACE "^\\." "" version "${version}")
    if(version VERSION_GREATER_EQUAL 9.16 AND version VERSION_LESS 10)
      set(found ON)
      set(RIPIENO_HAS_CUDNN true)
    endif()
  endif()
  ripieno_check_option(RIPIENO_CUDNN "${found}" "cuDNN 9.16 or a later version 9, with CUDA,")
endif()

set(RIPIENO_HAS_NCCL false)
if(NOT RIPIENO_NCCL STREQUAL "OFF")
  if(RIPIENO_HAS_CUDA)
    ripieno_find_nvidia(NCCL nccl nccl.h libnccl.so.2)
  endif()
  set(found OFF)
  if(RIPIENO_HAS_CUDA AND NCCL_INCLUDE_DIR)
    set(found ON)
    set(RIPIENO_HAS_NCCL true)
  endif()
  ripieno_check_option(RIPIENO_NCCL "${found}" "NCCL, with CUDA,")
endif()

set(RIPIENO_HAS_MPI false)
if(NOT RIPIENO_MPI STREQUAL "OFF")
  find_package(MPI QUIET COMPONENTS C)
  ripieno_check_option(RIPIENO_MPI "${MPI_C_FOUND}" "MPI")
  if(MPI_C_FOUND)
    set(RIPIENO_HAS_MPI true)
  endif()
endif()

message(STATUS
  "Ripieno: CUDA ${RIPIENO_HAS_CUDA} (emulated ${RIPIENO_EMULATES_CUDA}), cuDNN ${RIPIENO_HAS_CUDNN}, "
  "NCCL ${RIPIENO_HAS_NCCL}, MPI ${RIPIENO_HAS_MPI}, oneDNN ${RIPIENO_HAS_ONEDNN}")
