set(LINK opr_store)
