set(LINK opr_base)
