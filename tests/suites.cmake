# Included by ctest for each GoogleTest executable: adds one test per suite. Uses the variables
# `executable`, `layer` and `timeout`. The list of suites is cached next to the executable until
# that changes.
set(list "${executable}.suites")
if(NOT EXISTS "${executable}")
  cmake_path(GET executable FILENAME name)
  add_test(${name}_NOT_BUILT ${name}_NOT_BUILT)
  return()
endif()
if("${executable}" IS_NEWER_THAN "${list}")
  execute_process(COMMAND "${executable}" --gtest_list_tests
    OUTPUT_VARIABLE listing ERROR_VARIABLE errors RESULT_VARIABLE status TIMEOUT 600)
  if(status)
    message(FATAL_ERROR "${executable} --gtest_list_tests exited with ${status}: ${errors}")
  endif()
  # "Suite." or "Prefix/Suite/0.  # TypeParam = float"; cases are indented.
  set(suites)
  string(REPLACE "\n" ";" lines "${listing}")
  foreach(line IN LISTS lines)
    if(line MATCHES "^([A-Za-z0-9_/]+)\\.( |$)")
      list(APPEND suites ${CMAKE_MATCH_1})
    endif()
  endforeach()
  list(TRANSFORM suites REPLACE "/[0-9]+$" "/*")  # one test for all types of a typed suite
  list(REMOVE_DUPLICATES suites)
  file(WRITE "${list}" "${suites}")
endif()
file(READ "${list}" suites)
foreach(suite IN LISTS suites)
  string(REPLACE "/*" "" name "${layer}.${suite}")
  add_test(${name} "${executable}" --gtest_filter=${suite}.*)
  # On a GPU each test measures algorithms for itself, since others run at the same time.
  cmake_path(GET executable PARENT_PATH folder)
  string(MAKE_C_IDENTIFIER ${name} cache)
  set_tests_properties(${name} PROPERTIES LABELS ${layer} TIMEOUT ${timeout}
    ENVIRONMENT RIPIENO_CACHE_DIR=${folder}/caches/${cache})
endforeach()
