set(LINK opr_testing opr_plugin_policy_objects m)
