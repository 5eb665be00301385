# The install: a relocatable tree that other projects find with find_package(ripieno).
include(CMakePackageConfigHelpers)
if(RIPIENO_EMULATES_CUDA)
  install(CODE [[message(FATAL_ERROR "a build with RIPIENO_CUDA=EMULATED is for tests and cannot be installed")]])
endif()

# All layers under one name.
add_library(ripieno_all INTERFACE)
add_library(ripieno::ripieno ALIAS ripieno_all)
target_link_libraries(ripieno_all INTERFACE ripieno::training)
set_target_properties(ripieno_all PROPERTIES EXPORT_NAME ripieno)
install(TARGETS ripieno_all EXPORT ripieno)

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
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/README.md
  DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT programs)
install(FILES ${PROJECT_SOURCE_DIR}/ripieno.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/ripieno)

# For programs built without CMake: g++ -std=c++20 main.cpp $(pkg-config --cflags --libs ripieno).
# The libraries of other projects are listed as the files that this build found.
set(pc_libraries ${HDF5_C_LIBRARIES} ${XXHASH_LIBRARY} ${ZLIB_LIBRARIES} ${ZSTD_LIBRARY})
list(FILTER pc_libraries INCLUDE REGEX "hdf5|xxhash|libz")
set(pc_flags)
if(RIPIENO_HAS_MPI)
  list(APPEND pc_libraries ${MPI_C_LIBRARIES})
  list(APPEND pc_flags -DOMPI_SKIP_MPICXX -DMPICH_SKIP_MPICXX)
  foreach(folder IN LISTS MPI_C_INCLUDE_DIRS)
    list(APPEND pc_flags -I${folder})
  endforeach()
endif()
if(RIPIENO_HAS_CUDA)
  list(APPEND pc_libraries -L${CUDAToolkit_LIBRARY_DIR} -Wl,-rpath,${CUDAToolkit_LIBRARY_DIR} -lcudart_static -lcublasLt)
endif()
file(RELATIVE_PATH pc_include /${CMAKE_INSTALL_LIBDIR} /${CMAKE_INSTALL_INCLUDEDIR})
list(JOIN pc_libraries " " pc_libraries)
list(JOIN pc_flags " " pc_flags)
configure_file(${PROJECT_SOURCE_DIR}/cmake/ripieno.pc.in ${PROJECT_BINARY_DIR}/generated/ripieno.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/generated/ripieno.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
