# Packages, which `cpack` writes into the build folder:
#
#   ripieno          .deb with the programs and the shared library, which users' programs load too
#   libripieno-dev   .deb with headers, libraries, the CMake package and the pkg-config file
#   a tarball        all of it, in one folder that can be moved
#
# Dependencies are named as in Debian 12 and Ubuntu 24.04; those of the programs are found by
# dpkg-shlibdeps (package dpkg-dev).
set(CPACK_GENERATOR DEB TGZ)
set(CPACK_PACKAGE_CONTACT "The authors of Ripieno")
set(CPACK_PACKAGE_VENDOR Ripieno)
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_COMPONENTS_ALL programs development)
set(CPACK_COMPONENT_PROGRAMS_DESCRIPTION "Programs that train models and inspect checkpoints.")
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION "Headers and libraries to train models from C++ programs.")
set(CPACK_STRIP_FILES ON)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_NAME ripieno)
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libripieno-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
# What a program needs to link the static libraries.
set(depends "ripieno (= ${PROJECT_VERSION})" libfmt-dev libhdf5-dev libxxhash-dev libzstd-dev
  nlohmann-json3-dev zlib1g-dev)
if(RIPIENO_HAS_MPI)
  set(CPACK_DEBIAN_PROGRAMS_PACKAGE_RECOMMENDS openmpi-bin)
  list(APPEND depends libopenmpi-dev)
endif()
list(JOIN depends ", " CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS)
include(CPack)
