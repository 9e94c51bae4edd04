set(LINK opr_agent)
