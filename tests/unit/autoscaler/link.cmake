set(LINK opr_testing opr_plugin_autoscaler_objects m)
