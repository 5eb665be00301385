# Run by rehearsal.sh in new namespaces: bare_node.sh FOLDER [--full], with the unpacked bundle in
# FOLDER/ripieno. Exits with 77 if the node cannot be made.
set -euo pipefail
work=$1 full=${2-}
fail() { echo "rehearsal: $*" >&2; exit 1; }

# ---- The node: /usr without the bundle's packages, and no network but the loopback interface.
ip link set lo up
mkdir -p "$work"/{changes,toolkit}
mount --bind "$(realpath /usr/local/cuda)" "$work/toolkit"
mount -t tmpfs tmpfs "$work/changes" && mkdir "$work"/changes/{upper,work} &&
  mount -t overlay overlay /usr \
    -o "lowerdir=/usr,upperdir=$work/changes/upper,workdir=$work/changes/work" ||
  { echo 'skipped: this machine does not allow overlays'; exit 77; }
# Neither a pattern without a package nor a folder, which rm refuses, is an error.
packages=(git bible-kjv 'libopenmpi*' 'openmpi*' 'libpmix*' 'libhdf5*' 'hdf5*' 'libdnnl*'
  'libgtest*' 'libgmock*' googletest 'libfmt*' 'libeigen3*' 'libcli11*' 'libtomlplusplus*'
  'nlohmann-json3*' 'libxxhash*' libzstd-dev zlib1g-dev)
format='${db:Status-Status} ${binary:Package}\n'
{ dpkg-query --show --showformat "$format" "${packages[@]}" 2>/dev/null || true; } |
  sed -n 's/^installed //p' | xargs dpkg --listfiles | sort -u |
  { xargs -d '\n' rm -f 2>/dev/null || true; }
rm -f /usr/bin/{mpirun,mpiexec,mpicc} # links of the alternatives system

# NVIDIA's libraries, as pip installs them: only the names that programs load.
wheels=/usr/lib/python3/dist-packages/nvidia
mkdir -p $wheels/{cu13,cudnn,nccl}/{lib,include}
for file in "$work"/toolkit/lib/lib{cublas,cublasLt,nvrtc*,cupti,cudnn*,nccl}.so.[0-9]*; do
  case $file in */libcudnn*) wheel=cudnn ;; */libnccl*) wheel=nccl ;; *) wheel=cu13 ;; esac
  ln -s "$file" $wheels/$wheel/lib/
  rm -f /usr/local/cuda/lib/"$(basename "${file%.so.*}")".so*
done
for file in "$work"/toolkit/include/{cublas,cudnn,nccl,cupti}*; do
  case $file in */cudnn*) wheel=cudnn ;; */nccl*) wheel=nccl ;; *) wheel=cu13 ;; esac
  ln -s "$file" $wheels/$wheel/include/
  rm -rf "/usr/local/cuda/include/$(basename "$file")"
done

ldconfig -C "$work/ld.so.cache" && mount --bind "$work/ld.so.cache" /etc/ld.so.cache

cd "$work/ripieno"
capability=$(<packages/programs/capability)
cat >/usr/bin/nvidia-smi <<END
#!/bin/sh
# Answers one query of fields with a line of CSV.
for word; do case \$word in --query-gpu=*) fields=\${word#*=} ;; esac; done
echo "\$fields" | sed 's/compute_cap/$capability/; s/driver_version/580.0/; s/name/NVIDIA H200/
  s/memory.total/143771 MiB/; s/,/, /g'
END
chmod +x /usr/bin/nvidia-smi
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin
export HOME=$work/home TMPDIR=$work PYTHON=/usr/bin/python3
mkdir "$HOME"
unset LD_LIBRARY_PATH CPATH CMAKE_PREFIX_PATH
! command -v git mpirun >/dev/null || fail 'git or mpirun is still there'

# ---- With the bundle's programs: up to the first call of the device.
scripts/gpu_check.sh && fail 'smoke passed without a GPU'
state=build/gpu_check/gpu
[[ -e $state/probe.done && -e $state/build.done && -e $state/smoke.failed ]] ||
  fail 'probe or build failed, or smoke did not'
[[ ! -e $state/kernels.log ]] || fail 'a stage ran after a failed smoke'
grep --quiet 'using .*/packages/programs/bin' $state/build.log ||
  fail "the bundle's programs were not used"
grep --quiet 'no CUDA driver' $state/smoke.log || fail 'smoke failed before it asked for the device'
! grep ': none' $state/probe.log | grep '^lib' || fail "a library of NVIDIA's was not found"

# Programs, ranks and checkpoints work on the CPU.
(
  sources=$(scripts/hash_sources.sh)
  source scripts/gpu/environment.sh
  "$BIN/kernels_emulated_tests" --gtest_brief=1 --gtest_filter='*Elementwise*'
  "$BIN/cublas_lt_test" --gtest_brief=1
  "$BIN/cudnn_test" --gtest_brief=1
  tests/distributed/under_mpi.sh 2 "$BIN/train_gpt" --config examples/configs/gpt_char.toml \
    --set data.path=docs/design.md --device cpu --steps 2 --run-dir "$work/run" --quiet
)

# ---- After a fix the node compiles: not yesterday's programs.
echo '// a fix' >>kernels/cuda/scale.cu
[[ $(scripts/gpu_check.sh --list) =~ ^earlier\ +a1\ +probe ]] ||
  fail 'a stage counts as done after a fix'
cuda=kernels/CMakeFiles/ripieno_kernels.dir/cuda
nccl=distributed/CMakeFiles/ripieno_distributed.dir/communicators/nccl
targets="$cuda/scale.cu.o $cuda/products/cublas_lt.cpp.o $cuda/cudnn/cudnn_library.cpp.o
  $nccl/nccl_communicator.cpp.o kernel_times"
[[ ! $full ]] || targets=all
(
  sources=$(scripts/hash_sources.sh)
  source scripts/gpu/environment.sh
  [[ $BIN == "$PWD/build/gpu/bin" ]] || fail "old programs would be used: $BIN"
  TARGETS=$targets bash scripts/gpu/a2_build.sh
)
grep --quiet '^NCCL_FILE:FILEPATH=/' build/gpu/CMakeCache.txt || fail 'NCCL was not found'
echo 'rehearsal: passed'
