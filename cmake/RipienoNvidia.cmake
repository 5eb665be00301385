# ripieno_find_nvidia(<variable> <package> <header> <file>)
#
# Finds a library of NVIDIA in the toolkit, in the system's folders or in Python packages, which have each
# library in nvidia/<package>/include and lib, without lib<name>.so. Sets <variable>_INCLUDE_DIR to the folder
# of the header, and <variable>_FILE to the library or, if it is not found, to its bare name, which the
# system's loader may find.
function(ripieno_find_nvidia variable package header file)
  ripieno_nvidia_folders(folders)
  list(TRANSFORM folders APPEND /${package})
  find_path(${variable}_INCLUDE_DIR ${header} HINTS ${CUDAToolkit_INCLUDE_DIRS} ${folders} PATH_SUFFIXES include)
  find_file(${variable}_FILE ${file} HINTS ${CUDAToolkit_LIBRARY_DIR} ${CUDAToolkit_LIBRARY_ROOT} ${folders}
    PATH_SUFFIXES lib lib64 x86_64-linux-gnu lib/x86_64-linux-gnu)
  mark_as_advanced(${variable}_INCLUDE_DIR ${variable}_FILE)
  if(NOT ${variable}_FILE)
    set(${variable}_FILE ${file} PARENT_SCOPE)
  endif()
endfunction()

# The nvidia/ folders of Python environments, in the order in which a program searches them, and a toolkit's.
function(ripieno_nvidia_folders result)
  string(REPLACE ":" ";" given "$ENV{RIPIENO_NVIDIA_LIBRARIES}")
  set(folders)
  foreach(folder IN LISTS given)
    list(APPEND folders ${folder} ${folder}/nvidia)
  endforeach()
  # A toolkit that is itself such a package, nvidia/cu13, has the others beside it.
  if(CUDAToolkit_LIBRARY_ROOT)
    cmake_path(GET CUDAToolkit_LIBRARY_ROOT PARENT_PATH beside)
    list(APPEND folders ${beside})
  endif()
  set(prefixes $ENV{VIRTUAL_ENV} $ENV{CONDA_PREFIX})
  string(REPLACE ":" ";" path "$ENV{PATH}")
  foreach(folder IN LISTS path)
    if(EXISTS ${folder}/python3)
      cmake_path(GET folder PARENT_PATH prefix)
      list(APPEND prefixes ${prefix} /usr/local)
      break()
    endif()
  endforeach()
  list(APPEND prefixes $ENV{PYTHONUSERBASE} $ENV{HOME}/.local)
  foreach(prefix IN LISTS prefixes)
    file(GLOB found ${prefix}/lib/python3*/site-packages/nvidia ${prefix}/lib/python3*/dist-packages/nvidia)
    list(APPEND folders ${found})
  endforeach()
  set(${result} ${folders} PARENT_SCOPE)
endfunction()
