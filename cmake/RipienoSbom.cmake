# The bill of materials of the packages, in the CycloneDX format: each library that this build links,
# loads or includes, with its version as found and its license (docs/licences.md).
#
# It depends on the versions only, so builds with the same libraries write the same file.
set(sbom_components)

# ripieno_component(<name> <version> <license> [<url>])
#
# <license>: an SPDX expression, or another name after "name:".
function(ripieno_component name version license url)
  if(NOT version)
    message(FATAL_ERROR "the version of ${name} was not found, which the bill of materials requires")
  endif()
  list(APPEND sbom_components "${name}|${version}|${license}|${url}")
  set(sbom_components "${sbom_components}" PARENT_SCOPE)
endfunction()

# Sets `result` to the values of these macros of a header, joined by dots.
function(ripieno_defined_version result header)
  set(parts)
  foreach(macro IN LISTS ARGN)
    file(STRINGS ${header} line REGEX "^ *# *define +${macro} +[0-9]+")
    string(REGEX REPLACE "^.*${macro} +([0-9]+).*$" "\\1" part "${line}")
    list(APPEND parts ${part})
  endforeach()
  list(JOIN parts "." version)
  set(${result} "${version}" PARENT_SCOPE)
endfunction()

ripieno_defined_version(xxhash_version ${XXHASH_INCLUDE_DIR}/xxhash.h
  XXH_VERSION_MAJOR XXH_VERSION_MINOR XXH_VERSION_RELEASE)
ripieno_component(CLI11 "${CLI11_VERSION}" BSD-3-Clause https://github.com/CLIUtils/CLI11)
ripieno_component(Eigen "${Eigen3_VERSION}" MPL-2.0 https://eigen.tuxfamily.org)
ripieno_component("GCC runtime libraries" "${CMAKE_CXX_COMPILER_VERSION}"
  "GPL-3.0-or-later WITH GCC-exception-3.1" https://gcc.gnu.org)
ripieno_component(HDF5 "${HDF5_VERSION}" BSD-3-Clause https://www.hdfgroup.org)
ripieno_component(fmt "${fmt_VERSION}" MIT https://fmt.dev)
ripieno_component(nlohmann-json "${nlohmann_json_VERSION}" MIT https://json.nlohmann.me)
ripieno_component(tomlplusplus "${tomlplusplus_VERSION}" MIT https://marzer.github.io/tomlplusplus)
ripieno_component(xxHash "${xxhash_version}" BSD-2-Clause https://xxhash.com)
if(RIPIENO_HAS_ONEDNN)
  ripieno_defined_version(version ${DNNL_INCLUDE_DIR}/oneapi/dnnl/dnnl_version.h
    DNNL_VERSION_MAJOR DNNL_VERSION_MINOR DNNL_VERSION_PATCH)
  ripieno_component(oneDNN "${version}" Apache-2.0 https://github.com/oneapi-src/oneDNN)
endif()
if(RIPIENO_HAS_MPI)
  set(version "${MPI_C_VERSION}")
  foreach(folder IN LISTS MPI_C_INCLUDE_DIRS)
    if(EXISTS ${folder}/mpi.h)
      file(STRINGS ${folder}/mpi.h line REGEX "define +OMPI_MAJOR_VERSION")
      if(line)
        ripieno_defined_version(version ${folder}/mpi.h
          OMPI_MAJOR_VERSION OMPI_MINOR_VERSION OMPI_RELEASE_VERSION)
      endif()
    endif()
  endforeach()
  ripieno_component("Open MPI" "${version}" BSD-3-Clause https://www.open-mpi.org)
endif()
if(RIPIENO_HAS_CUDA)
  ripieno_component("CUDA toolkit" "${CUDAToolkit_VERSION}" "name:NVIDIA CUDA EULA"
    https://developer.nvidia.com/cuda-toolkit)
  ripieno_component("CUB of the CUDA toolkit" "${CUDAToolkit_VERSION}" BSD-3-Clause https://github.com/NVIDIA/cccl)
  ripieno_component("NVTX of the CUDA toolkit" "${CUDAToolkit_VERSION}" "Apache-2.0 WITH LLVM-exception"
    https://github.com/NVIDIA/NVTX)
endif()
if(RIPIENO_HAS_CUDNN)
  ripieno_defined_version(version ${CUDNN_INCLUDE_DIR}/cudnn_version.h CUDNN_MAJOR CUDNN_MINOR CUDNN_PATCHLEVEL)
  ripieno_component(cuDNN "${version}" "name:NVIDIA cuDNN agreement" https://developer.nvidia.com/cudnn)
endif()
if(RIPIENO_HAS_NCCL)
  ripieno_defined_version(version ${NCCL_INCLUDE_DIR}/nccl.h NCCL_MAJOR NCCL_MINOR NCCL_PATCH)
  ripieno_component(NCCL "${version}" BSD-3-Clause https://github.com/NVIDIA/nccl)
endif()

function(ripieno_write_sbom file)
  set(this "ripieno@${PROJECT_VERSION}")
  set(components "[]")
  set(refs "[]")
  set(i 0)
  list(SORT sbom_components CASE INSENSITIVE)
  foreach(entry IN LISTS sbom_components)
    string(REPLACE "|" ";" parts "${entry}")
    list(GET parts 0 name)
    list(GET parts 1 version)
    list(GET parts 2 license)
    list(GET parts 3 url)
    string(REGEX REPLACE "[^A-Za-z0-9.+-]+" "-" id "${name}")
    string(TOLOWER "${id}" id)
    if(license MATCHES "^name:(.*)$")
      set(licenses "{\"license\": {\"name\": \"${CMAKE_MATCH_1}\"}}")
    elseif(license MATCHES " ")
      set(licenses "{\"expression\": \"${license}\"}")
    else()
      set(licenses "{\"license\": {\"id\": \"${license}\"}}")
    endif()
    set(component "{\"type\": \"library\", \"bom-ref\": \"${id}@${version}\", \"name\": \"${name}\",
      \"version\": \"${version}\", \"licenses\": [${licenses}], \"purl\": \"pkg:generic/${id}@${version}\",
      \"externalReferences\": [{\"type\": \"website\", \"url\": \"${url}\"}]}")
    string(JSON components SET "${components}" ${i} "${component}")
    string(JSON refs SET "${refs}" ${i} "\"${id}@${version}\"")
    math(EXPR i "${i} + 1")
  endforeach()
  set(sbom "{\"bomFormat\": \"CycloneDX\", \"specVersion\": \"1.5\", \"version\": 1,
    \"metadata\": {\"component\": {\"type\": \"library\", \"bom-ref\": \"${this}\", \"name\": \"ripieno\",
      \"version\": \"${PROJECT_VERSION}\", \"licenses\": [{\"license\": {\"id\": \"Apache-2.0\"}}],
      \"purl\": \"pkg:generic/${this}\"}},
    \"components\": ${components},
    \"dependencies\": [{\"ref\": \"${this}\", \"dependsOn\": ${refs}}]}")
  # The same file for the same content: its number is derived from it.
  string(UUID number NAMESPACE 6ba7b811-9dad-11d1-80b4-00c04fd430c8 NAME "${sbom}" TYPE SHA1)
  string(JSON sbom SET "${sbom}" serialNumber "\"urn:uuid:${number}\"")
  file(WRITE ${file} "${sbom}\n")
endfunction()

ripieno_write_sbom(${PROJECT_BINARY_DIR}/generated/ripieno.cdx.json)
install(FILES ${PROJECT_BINARY_DIR}/generated/ripieno.cdx.json
  DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT programs)
