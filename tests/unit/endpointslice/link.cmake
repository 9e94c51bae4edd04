set(LINK opr_testing opr_plugin_endpointslice_objects m)
