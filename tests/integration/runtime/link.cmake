set(LINK opr_runtime opr_apiserver integration_built_plugins)

# The plugins as they are installed.
add_library(integration_built_plugins INTERFACE)
target_compile_definitions(integration_built_plugins INTERFACE
    TEST_BUILT_PLUGINS="${CMAKE_BINARY_DIR}/plugins")
foreach(name IN ITEMS deployment replicaset gc)
    if(TARGET opr_plugin_${name})
        add_dependencies(integration_built_plugins opr_plugin_${name})
    endif()
endforeach()
