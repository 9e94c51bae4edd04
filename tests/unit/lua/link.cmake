set(LINK opr_lua)
