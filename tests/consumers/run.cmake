# SPDX-License-Identifier: MIT
#
# Builds the consumer in each way a user can take the library, and runs it:
# cmake -DWAY=find_package|add_subdirectory|copy|pkg_config -DSOURCE_DIR=… -DBUILD_DIR=… -DWORK_DIR=… -DVERSION=…
#       -DCOMPILER=… -DGENERATOR=… -DEIGEN3_DIR=… -DEIGEN_INCLUDE_DIR=… -DPKG_CONFIG=… -P run.cmake
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

set(consumer ${SOURCE_DIR}/tests/consumers)
set(program ${WORK_DIR}/build/consumer)
file(REMOVE_RECURSE ${WORK_DIR})
file(MAKE_DIRECTORY ${WORK_DIR}/build)

if(WAY STREQUAL "find_package" OR WAY STREQUAL "pkg_config")
  run(${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${WORK_DIR}/prefix)
endif()

if(WAY STREQUAL "find_package" OR WAY STREQUAL "add_subdirectory")
  if(WAY STREQUAL "find_package")
    set(logz -DCMAKE_PREFIX_PATH=${WORK_DIR}/prefix -DLOGZ_VERSION=${VERSION})
  else()
    set(logz -DLOGZ_SOURCE_DIR=${SOURCE_DIR})
  endif()
  run(${CMAKE_COMMAND} -G ${GENERATOR} -S ${consumer} -B ${WORK_DIR}/build ${logz}
    -DCMAKE_CXX_COMPILER=${COMPILER} -DEigen3_DIR=${EIGEN3_DIR} -DEIGEN_INCLUDE_DIR=${EIGEN_INCLUDE_DIR})
  run(${CMAKE_COMMAND} --build ${WORK_DIR}/build)
  if(EXISTS ${WORK_DIR}/build/logz/tests)
    message(FATAL_ERROR "a subdirectory brought its tests along")
  endif()
else()
  if(WAY STREQUAL "copy")
    file(COPY ${SOURCE_DIR}/include DESTINATION ${WORK_DIR})
    set(flags -I${WORK_DIR}/include -isystem ${EIGEN_INCLUDE_DIR})
  else()
    set(ENV{PKG_CONFIG_PATH} ${WORK_DIR}/prefix/share/pkgconfig:$ENV{PKG_CONFIG_PATH})
    run(${PKG_CONFIG} --cflags "logz = ${VERSION}")
    string(STRIP "${output}" output)
    separate_arguments(flags UNIX_COMMAND "${output}")
  endif()
  run(${COMPILER} -std=c++17 ${flags} ${consumer}/main.cpp ${consumer}/second.cpp -o ${program})
endif()

run(${program})
