set(LINK opr_testing opr_plugin_disruption_objects m)
