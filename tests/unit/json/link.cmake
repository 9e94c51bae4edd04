set(LINK opr_json)
