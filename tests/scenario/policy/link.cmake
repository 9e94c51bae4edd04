set(LINK opr_testing opr_lua policy_built_plugin)

# The plugin as it is installed.
add_library(policy_built_plugin INTERFACE)
target_compile_definitions(policy_built_plugin INTERFACE
    TEST_POLICY_PLUGIN="${CMAKE_BINARY_DIR}/plugins/policy.so")
add_dependencies(policy_built_plugin opr_plugin_policy)
