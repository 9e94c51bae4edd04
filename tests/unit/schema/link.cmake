set(LINK opr_schema)
add_compile_definitions(OPR_SCHEMA_TESTDATA="${CMAKE_CURRENT_LIST_DIR}/testdata")
