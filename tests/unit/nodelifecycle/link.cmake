set(LINK opr_testing opr_plugin_nodelifecycle_objects m)
