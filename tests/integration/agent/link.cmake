set(LINK opr_agent opr_apiserver)
