# SPDX-License-Identifier: MIT
#
# Runs COMMAND and checks how it ends, with RESULT (an exit code, or "abort" for a signal), and what it prints, where given:
# OUTPUT and ERRORS are regular expressions, OUTPUT_FILE holds all of it.
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
if(DEFINED OUTPUT_FILE)
  file(READ ${OUTPUT_FILE} expected)
  if(NOT output STREQUAL expected)
    message(FATAL_ERROR "expected this output:\n${expected}\n${everything}")
  endif()
endif()
if(DEFINED ERRORS AND NOT errors MATCHES "${ERRORS}")
  message(FATAL_ERROR "expected errors ${ERRORS}\n${everything}")
endif()
