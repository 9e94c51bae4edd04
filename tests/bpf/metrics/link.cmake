set(LINK opr_bpf)
