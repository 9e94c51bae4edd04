set(LINK opr_api)
