# SPDX-License-Identifier: MIT
#
# Runs COMMAND and checks how it ends, with RESULT (an exit code, "abort" for a signal), and that OUTPUT and ERRORS, where
# given, are regular expressions that match what it prints:
# cmake -DCOMMAND="program;arguments" -DRESULT=1 -DERRORS="^one line\n$" -P run_and_expect.cmake
execute_process(COMMAND ${COMMAND} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE errors)
set(everything "exit: ${result}\nstdout:\n${output}\nstderr:\n${errors}")
if(RESULT STREQUAL "abort")
  if(result MATCHES "^[0-9]+$")
    message(FATAL_ERROR "expected an abort\n${everything}")
  endif()
elseif(NOT result EQUAL RESULT)
  message(FATAL_ERROR "expected exit code ${RESULT}\n${everything}")
endif()
if(DEFINED OUTPUT AND NOT output MATCHES "${OUTPUT}")
  message(FATAL_ERROR "expected output ${OUTPUT}\n${everything}")
endif()
if(DEFINED ERRORS AND NOT errors MATCHES "${ERRORS}")
  message(FATAL_ERROR "expected errors ${ERRORS}\n${everything}")
endif()
