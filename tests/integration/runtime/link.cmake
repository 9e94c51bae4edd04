set(LINK opr_runtime opr_apiserver integration_built_plugins integration_operon)

# The plugins as they are installed.
add_library(integration_built_plugins INTERFACE)
target_compile_definitions(integration_built_plugins INTERFACE
    TEST_BUILT_PLUGINS="${CMAKE_BINARY_DIR}/plugins")
foreach(name IN ITEMS deployment replicaset gc)
    if(TARGET opr_plugin_${name})
        add_dependencies(integration_built_plugins opr_plugin_${name})
    endif()
endforeach()

# The program, and a plugin whose reconcile takes its time.
add_library(integration_plugin_slow MODULE
    ${CMAKE_CURRENT_SOURCE_DIR}/integration/runtime/plugins/slow.c)
target_link_libraries(integration_plugin_slow PRIVATE opr_flags)
set_target_properties(integration_plugin_slow PROPERTIES PREFIX "" OUTPUT_NAME slow
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/plugins)
add_library(integration_operon INTERFACE)
add_dependencies(integration_operon integration_plugin_slow)
if(TARGET operon)
    add_dependencies(integration_operon operon)
endif()
target_compile_definitions(integration_operon INTERFACE
    TEST_OPERON="${CMAKE_BINARY_DIR}/operon" TEST_SLOW_PLUGIN="${CMAKE_BINARY_DIR}/tests/plugins/slow.so")
