# SPDX-License-Identifier: MIT
#
# The examples do what they say, and their errors are one clear line.
set(digits ${PROJECT_SOURCE_DIR}/examples/data/digits.csv)
add_test(NAME example.train_digits COMMAND train_digits ${digits})
set_tests_properties(example.train_digits PROPERTIES TIMEOUT 5
  PASS_REGULAR_EXPRESSION "epoch 30  loss 0.*test accuracy: (9[5-9]|100)\\..* %.*0   1   2   3   4   5   6   7   8   9\n")

# -O0 in the tests: some 15 times slower than as the README builds it. The time asked is 20 s.
add_test(NAME example.mlp_digits COMMAND mlp_digits ${digits})
set_tests_properties(example.mlp_digits PROPERTIES TIMEOUT 60
  PASS_REGULAR_EXPRESSION "epoch 40  loss 0.*test accuracy: (9[7-9]|100)\\..* %\n")

# The program that stands in the README, without the licence line.
file(READ ${PROJECT_SOURCE_DIR}/examples/quick_start.cpp quick_start)
string(REGEX REPLACE "^// SPDX[^\n]*\n" "" quick_start "${quick_start}")
file(CONFIGURE OUTPUT quick_start.cpp CONTENT "${quick_start}" @ONLY)
add_test(NAME example.quick_start_is_in_readme COMMAND ${CMAKE_COMMAND} -E compare_files
  ${CMAKE_CURRENT_BINARY_DIR}/quick_start.cpp ${CMAKE_CURRENT_BINARY_DIR}/readme_snippet_1.cpp)
add_test(NAME example.quick_start COMMAND ${CMAKE_COMMAND} -DCOMMAND=$<TARGET_FILE:quick_start> -DRESULT=0
  -DOUTPUT_FILE=${CMAKE_CURRENT_BINARY_DIR}/readme_snippet_1.txt ${run_and_expect})

# train_digits' answer to a file: exit code 1 and one line with file, line number and what was expected.
function(add_bad_digits name content line)
  set(file ${CMAKE_CURRENT_BINARY_DIR}/digits_${name}.csv)
  file(WRITE ${file} "${content}")
  add_test(NAME example.train_digits.${name} COMMAND ${CMAKE_COMMAND} "-DCOMMAND=$<TARGET_FILE:train_digits>;${file}"
    -DRESULT=1 "-DERRORS=^[^\n]*/digits_${name}.csv${line}\n$" ${run_and_expect})
endfunction()
string(REPEAT "0," 64 pixels)
add_bad_digits(empty "" ": expected lines of 65 numbers, found an empty file")
add_bad_digits(short_line "${pixels}3\n${pixels}4\n0,0,3\n" ":3: expected 65 numbers, found 3")
string(REPEAT "0," 63 more_pixels)
add_bad_digits(word "${pixels}3\nzero,${more_pixels}3\n" ":2: expected a pixel count from 0 to 16 in column 1, found \"zero\"")
add_bad_digits(label "${pixels}12\n" ":1: expected the digit 0 to 9 in column 65, found \"12\"")
add_test(NAME example.train_digits.missing COMMAND ${CMAKE_COMMAND} "-DCOMMAND=$<TARGET_FILE:train_digits>;no/such.csv"
  -DRESULT=1 "-DERRORS=^no/such.csv: cannot open the file\n$" ${run_and_expect})
