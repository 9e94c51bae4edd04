set(LINK opr_client)
