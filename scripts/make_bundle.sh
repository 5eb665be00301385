#!/usr/bin/env bash
# Makes an archive for a GPU host on which packages cannot be installed: the sources with
# uncommitted changes, Open MPI, HDF5, GoogleTest, the header-only libraries, and a text to train on.
# With --programs also the programs that gpu_check.sh runs, so that it can measure before anything is
# compiled.
#
#   scripts/make_bundle.sh [--programs BUILD] [FILE]     default: build/ripieno-bundle.tar.xz
#
# BUILD is the folder of a build with CUDA for one GPU architecture, which is brought up to date:
#
#   cmake --preset gpu -DCMAKE_CUDA_ARCHITECTURES=90-real -DRIPIENO_CPU_LEVELS=v3
#   scripts/make_bundle.sh --programs build/gpu
#
# The host must be x86-64 with glibc 2.36 or later, bash and python3, an NVIDIA driver, and cuBLASLt
# and NCCL, from a CUDA toolkit or from Python wheels (nvidia-cublas, nvidia-nccl-cu13). To compile it
# also needs nvcc, g++, CMake, ninja and the folder layout of Debian or Ubuntu. On the host:
#
#   tar -xf ripieno-bundle.tar.xz && cd ripieno && scripts/gpu_check.sh
set -euo pipefail
cd "$(dirname "$0")/.."

build=''
if [[ ${1-} == --programs ]]; then
  build=${2-}
  [[ -f $build/CMakeCache.txt ]] ||
    { echo "make_bundle.sh: --programs requires a build folder, got \"$build\"" >&2; exit 64; }
  shift 2
fi
case ${1-} in
  --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0 ;;
  -*) echo "make_bundle.sh: unknown argument $1" >&2; exit 64 ;;
esac
bundle=$(realpath --canonicalize-missing -- "${1:-build/ripieno-bundle.tar.xz}")
# The programs and libraries that the stages in scripts/gpu run.
programs=(train_gpt train_step kernels products kernels_cuda_tests kernels_emulated_tests core_tests training_tests
  cublas_lt_test cudnn_test kernel_times)

# The packages that supply headers, libraries and CMake files, and the programs of Open MPI. Links
# from them to libraries of other packages are followed.
packages=(
  libopenmpi-dev libopenmpi3 openmpi-bin openmpi-common libpmix2 libhdf5-dev
  libgtest-dev libgmock-dev libfmt-dev libeigen3-dev libcli11-dev libtomlplusplus-dev nlohmann-json3-dev libxxhash-dev
  libzstd-dev zlib1g-dev)
# Excludes Fortran, Java, the C++ and high-level APIs of HDF5, and network transports that the tests
# do not use.
left_out='/(doc|man|java|gitweb|bash-completion|lintian)/|fortran|mpi_usempi|mpi_mpifh|libmpi_java|oshmem|liboshmem|sshmem|spml|scoll|memheap|hdf5.*(_cpp|_hl)|hdf5/mpich|hdf5/openmpi|_(ofi|ucx|psm|psm2|openib)\.so|verbs|libmpi_cxx|ompitrace|libcaf|pmix2/bin|\.mod$|/lib[a-z0-9_+-]*(hdf5|mpi|open-)[a-z0-9_+-]*\.a$'

scripts/install_dependencies.sh
# Some releases of Debian and Ubuntu append t64 to a package's name (libhdf5-103-1t64).
installed=()
for package in "${packages[@]}"; do
  for name in "$package" "${package}t64"; do
    dpkg-query --show --showformat '${db:Status-Status}' "$name" 2>/dev/null | grep --quiet '^installed$' && installed+=("$name")
  done
done

work=$(mktemp --directory)
trap 'rm -rf "$work"' EXIT
tree=$work/ripieno
mkdir -p "$tree/packages/usr/bin" "$tree/packages/closure" "$(dirname "$bundle")"
git ls-files -z --cached --others --exclude-standard |
  tar --null --files-from=- --ignore-failed-read -c | tar -x -C "$tree"
sources=$(scripts/hash_sources.sh)
# gpu_check.sh uses programs only with the sources that they were built from.
if [[ $(scripts/hash_sources.sh "$tree") != "$sources" ]]; then
  echo 'make_bundle.sh: files that git ignores would be missing in the bundle; remove them:' >&2
  git status --short --ignored >&2
  exit 78
fi

dpkg --listfiles "${installed[@]}" | sort -u | grep -E '^/(usr/)?(include|lib|share/(cmake|eigen3|openmpi|pmix))/|^/usr/bin/(orterun|orted|opal_wrapper)$' |
  grep -vE "$left_out" | while read -r file; do
  [[ -d $file && ! -L $file ]] || printf '%s\0' "${file#/}"
done | tar -C / --null --files-from=- -c | tar -x -C "$tree/packages"
[[ ! -d $tree/packages/lib ]] || { cp -a "$tree/packages/lib/." "$tree/packages/usr/lib/" && rm -r "$tree/packages/lib"; }

libraries=$tree/packages/usr/lib/$(gcc -print-multiarch)
ln -s orterun "$tree/packages/usr/bin/mpirun"
ln -s orterun "$tree/packages/usr/bin/mpiexec"
ln -s opal_wrapper "$tree/packages/usr/bin/mpicc"
# Replaces links to libraries of other packages with the libraries.
find "$tree/packages" -xtype l -printf '%P\n' | while read -r link; do
  cp "$(readlink -f "/$link")" "$libraries/"
done
/sbin/ldconfig -n "$libraries"
# Where CMake looks for HDF5 without a compiler wrapper.
cp -a "$tree"/packages/usr/include/hdf5/serial/*.h "$tree/packages/usr/include/"
ln -s "$(gcc -print-multiarch)/libhdf5_serial.so" "$tree/packages/usr/lib/libhdf5.so"

if [[ $build ]]; then
  cmake --build "$build" --target "${programs[@]}"
  built=$tree/packages/programs
  mkdir -p "$built/bin" "$built/lib"
  for program in "${programs[@]}"; do
    [[ ! -f $build/bin/$program ]] || strip -o "$built/bin/$program" "$build/bin/$program"
  done
  cp -a "$build"/lib/libripieno_kernels_cpu.so* "$build"/lib/libkernel_times.so "$built/lib/"
  [[ ! -d $build/lib/glibc-hwcaps ]] || cp -a "$build/lib/glibc-hwcaps" "$built/lib/"
  find "$built/lib" -type f -exec strip {} +
  architecture=$(sed -nE 's/^CMAKE_CUDA_ARCHITECTURES:[A-Z]+=([0-9]+)(-[a-z]+)?$/\1/p' "$build/CMakeCache.txt")
  [[ $architecture ]] || { echo "make_bundle.sh: $build is not a build for one GPU architecture" >&2; exit 78; }
  echo "${architecture%?}.${architecture: -1}" >"$built/capability"
  echo "$sources" >"$built/sources"
fi

# The dependencies of those libraries and programs, except glibc, the compiler's runtime and NVIDIA's.
find "$tree/packages" \( -name '*.so*' -o -path '*/programs/bin/*' \) -type f -exec ldd {} + 2>/dev/null | sed -nE 's/.* => (\/[^ ]+) .*/\1/p' | sort -u |
  grep -vE '/(libc|libm|libdl|libpthread|librt|libresolv|libutil|libgcc_s|libstdc\+\+|ld-linux[^/]*|lib(cu|nv|nccl)[A-Za-z0-9]*)\.so|/libripieno_' | while read -r library; do
  [[ -e $libraries/$(basename "$library") ]] || cp -L "$library" "$tree/packages/closure/"
done

git describe --always --dirty >"$tree/packages/commit"
command -v bible >/dev/null && bible -f 'gen1:1-rev22:21' >"$tree/packages/king_james_bible.txt"

# Sourced by scripts/gpu/environment.sh. Libraries of the host are preferred to those in packages/closure.
cat >"$tree/packages/environment.sh" <<'END'
packages=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$packages/missing"
known=$(ldconfig -p 2>/dev/null)
for library in "$packages"/closure/*; do
  name=$(basename "$library")
  [[ $known == *"	$name "* ]] || ln -sf "$library" "$packages/missing/$name"
done
export OPAL_PREFIX=$packages/usr HDF5_ROOT=$packages/usr PATH=$packages/usr/bin:$PATH
export OMPI_MCA_plm=isolated  # all ranks are on this host, so ssh is not needed
export PMIX_MCA_pcompress_base_silence_warning=1
export CMAKE_PREFIX_PATH=$packages/usr${CMAKE_PREFIX_PATH:+:$CMAKE_PREFIX_PATH}
export LD_LIBRARY_PATH=$packages/programs/lib:$packages/usr/lib/x86_64-linux-gnu:$packages/usr/lib/x86_64-linux-gnu/openmpi/lib:$packages/missing${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
END

# Compressed as the file's name says.
partial=$(dirname "$bundle")/partial-$(basename "$bundle")
XZ_DEFAULTS=--threads=0 tar -C "$work" --sort=name --owner=0 --group=0 --auto-compress -cf "$partial" ripieno
mv "$partial" "$bundle"
echo "$bundle: $(($(stat --format %s "$bundle") / 1000000)) MB"
