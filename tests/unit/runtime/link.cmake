set(LINK opr_testing)

# Plugins to be refused, and one that is good, from one source.
foreach(kind IN ITEMS good no_note newer_minor other_major bad_magic no_entry table_newer no_name
        init_fails)
    string(TOUPPER ${kind} define)
    add_library(runtime_plugin_${kind} MODULE ${CMAKE_CURRENT_SOURCE_DIR}/unit/runtime/plugins/plugin.c)
    target_compile_definitions(runtime_plugin_${kind} PRIVATE PLUGIN_${define})
    target_link_libraries(runtime_plugin_${kind} PRIVATE opr_flags)
    set_target_properties(runtime_plugin_${kind} PROPERTIES PREFIX "" OUTPUT_NAME ${kind}
        LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/plugins)
    list(APPEND LINK runtime_plugin_${kind}_dep)
    add_library(runtime_plugin_${kind}_dep INTERFACE)
    add_dependencies(runtime_plugin_${kind}_dep runtime_plugin_${kind})
endforeach()
add_library(runtime_plugin_dir INTERFACE)
target_compile_definitions(runtime_plugin_dir INTERFACE
    TEST_PLUGIN_DIR="${CMAKE_BINARY_DIR}/tests/plugins")
list(APPEND LINK runtime_plugin_dir)
