set(LINK opr_cmd_text)
