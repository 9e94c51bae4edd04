set(LINK opr_testing opr_plugin_serviceaccount_objects m)
