set(LINK opr_testing opr_plugin_gc_objects m)
