set(LINK opr_testing)
