# SPDX-License-Identifier: MIT
#
# Compiles one case of cases.cpp with COMMAND and checks that it fails for the stated reason and no other:
# cmake -DCASE=name -DSOURCE=cases.cpp -DCOMMAND="compiler;flags" -P run.cmake
execute_process(COMMAND ${COMMAND} -DLOGZ_CASE_${CASE} ${SOURCE} RESULT_VARIABLE result ERROR_VARIABLE errors)

if(CASE STREQUAL "right")
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "the right program does not compile:\n${errors}")
  endif()
  return()
endif()
if(result EQUAL 0)
  message(FATAL_ERROR "${CASE} compiles")
endif()

file(READ ${SOURCE} text)
if(NOT text MATCHES "CASE\\(${CASE}\\) +// (expect|deleted): ([^\n]*)")
  message(FATAL_ERROR "${SOURCE} expects nothing of ${CASE}")
endif()
set(kind ${CMAKE_MATCH_1})
set(words "${CMAKE_MATCH_2}")
string(FIND "${errors}" "${words}" found)
if(found EQUAL -1)
  message(FATAL_ERROR "${CASE}: no \"${words}\" in\n${errors}")
endif()
string(REGEX MATCHALL "(^|\n)[^\n]* error: " lines "${errors}")
list(LENGTH lines count)
if((kind STREQUAL "expect" AND NOT count EQUAL 1) OR count GREATER 2)
  message(FATAL_ERROR "${CASE}: ${count} errors instead of one:\n${errors}")
endif()
