# How this project builds: warnings, sanitizers, libraries, plugins, tests.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
foreach(lib IN ITEMS libcurl json-c libssl libcrypto libnghttp2 sqlite3 yaml-0.1)
    string(REGEX REPLACE "[^a-z0-9]" "_" name ${lib})
    pkg_check_modules(${name} REQUIRED IMPORTED_TARGET ${lib})
endforeach()
pkg_search_module(lua REQUIRED IMPORTED_TARGET lua5.4 lua-5.4 lua54)
pkg_check_modules(libbpf REQUIRED IMPORTED_TARGET libbpf)
find_library(EV_LIBRARY ev REQUIRED)

find_program(CCACHE ccache)
if(CCACHE)
    set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

include(GNUInstallDirs)
# Where the program finds its plugins once it is installed, seen from its own folder.
file(RELATIVE_PATH OPR_PLUGINS_FROM_BIN /prefix/${CMAKE_INSTALL_BINDIR}
    /prefix/${CMAKE_INSTALL_LIBDIR}/operon/plugins)

add_library(opr_flags INTERFACE)
target_include_directories(opr_flags INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/include)
target_compile_options(opr_flags INTERFACE -Wall -Wextra -Wshadow -Wvla -Wpointer-arith -Wundef
    $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes> -fno-strict-aliasing
    -fvisibility=hidden -fstack-protector-strong)
target_compile_definitions(opr_flags INTERFACE _GNU_SOURCE OPR_VERSION="${PROJECT_VERSION}")
target_link_libraries(opr_flags INTERFACE Threads::Threads)
if(OPR_SANITIZE)
    target_compile_options(opr_flags INTERFACE -fsanitize=${OPR_SANITIZE} -fno-sanitize-recover=all
        -fno-omit-frame-pointer)
    target_link_options(opr_flags INTERFACE -fsanitize=${OPR_SANITIZE})
endif()
if(OPR_FUZZ)
    target_compile_options(opr_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(OPR_COVERAGE)
    target_compile_options(opr_flags INTERFACE --coverage)
    target_link_options(opr_flags INTERFACE --coverage)
endif()

# opr_library(NAME DIR [LINK libs...]): a static library of all .c files of a folder (not below it).
function(opr_library name dir)
    cmake_parse_arguments(A "" "" "LINK;DIRS" ${ARGN})
    set(sources "")
    foreach(d IN ITEMS ${dir} ${A_DIRS})
        file(GLOB found CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${d}/*.c)
        list(APPEND sources ${found})
    endforeach()
    if(NOT sources)
        add_library(${name} INTERFACE)
        target_link_libraries(${name} INTERFACE opr_flags ${A_LINK})
        return()
    endif()
    add_library(${name} STATIC ${sources})
    target_link_libraries(${name} PUBLIC opr_flags ${A_LINK})
endfunction()

# opr_plugin(NAME DIR): a loadable plugin, plugins/NAME.so, that includes <operon/...> only, and the
# same objects as an object library for unit tests (opr_plugin_NAME_objects).
function(opr_plugin name dir)
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${dir}/*.c)
    if(NOT sources)
        return()
    endif()
    add_library(opr_plugin_${name}_objects OBJECT ${sources})
    target_link_libraries(opr_plugin_${name}_objects PUBLIC opr_flags)
    add_library(opr_plugin_${name} MODULE $<TARGET_OBJECTS:opr_plugin_${name}_objects>)
    target_link_libraries(opr_plugin_${name} PRIVATE opr_flags m)
    if(NOT OPR_SANITIZE)
        target_link_options(opr_plugin_${name} PRIVATE -Wl,-z,defs)
    endif()
    set_target_properties(opr_plugin_${name} PROPERTIES PREFIX "" OUTPUT_NAME ${name}
        LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins)
    set_property(GLOBAL APPEND PROPERTY OPR_PLUGINS opr_plugin_${name})
endfunction()
