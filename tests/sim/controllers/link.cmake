set(LINK opr_testing ${CMAKE_DL_LIBS})
