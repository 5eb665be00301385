# Replaces RIPIENO_CPU_LEVELS=machine with the highest x86-64 level that the dynamic loader reports
# for this machine.
if(RIPIENO_CPU_LEVELS STREQUAL "machine")
  execute_process(COMMAND /lib64/ld-linux-x86-64.so.2 --help OUTPUT_VARIABLE loader ERROR_QUIET)
  set(RIPIENO_CPU_LEVELS v2)
  foreach(level v3 v4)
    if(loader MATCHES "x86-64-${level} \\(supported")
      set(RIPIENO_CPU_LEVELS ${level})
    endif()
  endforeach()
endif()
message(STATUS "Ripieno: CPU kernels for x86-64 levels ${RIPIENO_CPU_LEVELS}")
