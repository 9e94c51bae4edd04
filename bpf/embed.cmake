# cmake -DINPUT=file -DNAME=symbol -DOUTPUT=file.c -P embed.cmake: a file as a C array; without INPUT an empty one.
set(hex "")
if(INPUT)
    file(READ ${INPUT} hex HEX)
endif()
string(LENGTH "${hex}" digits)
math(EXPR len "${digits} / 2")
string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
file(WRITE ${OUTPUT} "#include <stddef.h>\n\nextern const unsigned char ${NAME}[];\nextern const size_t ${NAME}_len;\n"
    "const unsigned char ${NAME}[] __attribute__((aligned(16))) = {\n${hex}0};\nconst size_t ${NAME}_len = ${len};\n")
