set(LINK opr_testing opr_plugin_scheduler_objects m)
