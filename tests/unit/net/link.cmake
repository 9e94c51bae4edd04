set(LINK opr_net)
