# Sourced by gpu_check.sh, with the hash of the sources in `sources`: where programs, libraries and
# results are. Sets PRESET, STATE, BIN, PYTHON and KERNEL_TESTS for the stages, and makes NVIDIA's
# libraries of Python wheels usable.
export EMULATED=${EMULATED-} PYTHON=${PYTHON:-python3} PYTHONDONTWRITEBYTECODE=1
[[ -d /usr/local/cuda/bin ]] && PATH=$PATH:/usr/local/cuda/bin
[[ ! -f packages/environment.sh ]] || source packages/environment.sh
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_btl_vader_single_copy_mechanism=none
export PRESET=gpu KERNEL_TESTS=kernels_cuda_tests
[[ ! $EMULATED ]] || PRESET=emulated KERNEL_TESTS=kernels_emulated_tests
export STATE=$PWD/build/gpu_check/$PRESET BIN=$PWD/build/$PRESET/bin
export RIPIENO_CACHE_DIR=$STATE/cache # algorithms and plans are results, too

# The programs of the bundle, if they were built from these sources for this GPU.
programs=$PWD/packages/programs
if [[ ! $EMULATED && -e $programs/sources && $(<"$programs/sources") == "$sources" ]]; then
  capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader --id=0 2>/dev/null)
  [[ $capability != "$(<"$programs/capability")" ]] || BIN=$programs/bin
fi

# NVIDIA's libraries where no toolkit and no system package has them: those of Python wheels, which
# have no names for the linker (libnccl.so). Loader, compiler and CMake use these variables.
nvidia=$PWD/build/nvidia
mkdir -p "$nvidia/lib"
wheels=$("$PYTHON" -c 'import nvidia; print(*nvidia.__path__, sep="\n")' 2>/dev/null)
known=$(ldconfig -p 2>/dev/null)
for library in libcublasLt.so.13 libcudnn.so.9 libnccl.so.2 libnvrtc.so.13 libcupti.so.13; do
  [[ $known == *"	$library "* ]] && continue
  for folder in /usr/local/cuda/{lib64,targets/x86_64-linux/lib} \
    ${wheels:+$(printf '%s/*/lib ' $wheels)}; do
    [[ -e $folder/$library ]] || continue
    ln -sfn "$(realpath "$folder/$library")" "$nvidia/lib/${library%.so.*}.so"
    LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder
    CPATH=${CPATH:+$CPATH:}$folder/../include
    break
  done
done
export LD_LIBRARY_PATH=${LD_LIBRARY_PATH-} CPATH=${CPATH-}
export CMAKE_LIBRARY_PATH=$nvidia/lib CMAKE_INCLUDE_PATH=$CPATH
