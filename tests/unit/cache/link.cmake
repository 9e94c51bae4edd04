set(LINK opr_cache)
