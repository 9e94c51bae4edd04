set(LINK opr_queue)
