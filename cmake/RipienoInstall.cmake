# The install: a relocatable tree that a stranger's project finds with find_package(ripieno).
include(CMakePackageConfigHelpers)
if(RIPIENO_EMULATES_CUDA)
  install(CODE [[message(FATAL_ERROR "RIPIENO_CUDA=EMULATED is for tests: nothing is installed of it.")]])
endif()

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/ripieno)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/ripienoConfig.cmake.in
  ${PROJECT_BINARY_DIR}/generated/ripienoConfig.cmake INSTALL_DESTINATION ${package_folder}
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/generated/ripienoConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(EXPORT ripieno NAMESPACE ripieno:: FILE ripienoTargets.cmake DESTINATION ${package_folder})
install(FILES
    ${PROJECT_BINARY_DIR}/generated/ripienoConfig.cmake
    ${PROJECT_BINARY_DIR}/generated/ripienoConfigVersion.cmake
  DESTINATION ${package_folder})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES ${PROJECT_SOURCE_DIR}/ripieno.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/ripieno)
