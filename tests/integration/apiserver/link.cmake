set(LINK opr_apiserver)
