set(LINK opr_testing opr_plugin_clusterrole_objects m)
