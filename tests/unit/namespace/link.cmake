set(LINK opr_testing opr_plugin_namespace_objects m)
