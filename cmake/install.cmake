# What 'cmake --install' puts where (GNUInstallDirs): the program with its shim and plugins, the SDK
# (headers, operonConfig.cmake, pkg-config files, liboperon-testing), manual page, completions, examples.
include(CMakePackageConfigHelpers)

# liboperon-testing: one archive of all that <operon/testing.h> needs of ours, so that an author links
# one library. The libraries of others stay outside; OPR_TESTING_LIBS names them.
set(parts opr_testing opr_runtime opr_cache opr_client opr_api opr_json opr_queue opr_net opr_base)
set(testing_archive ${CMAKE_BINARY_DIR}/liboperon-testing.a)
set(script "CREATE ${testing_archive}\n")
foreach(part IN LISTS parts)
    string(APPEND script "ADDLIB $<TARGET_FILE:${part}>\n")
endforeach()
string(APPEND script "SAVE\nEND\n")
file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/operon-testing.mri CONTENT "${script}")
add_custom_command(
    OUTPUT ${testing_archive}
    COMMAND ${CMAKE_COMMAND} -E rm -f ${testing_archive}
    COMMAND ${CMAKE_AR} -M < ${CMAKE_BINARY_DIR}/operon-testing.mri
    DEPENDS ${parts} ${CMAKE_BINARY_DIR}/operon-testing.mri
    VERBATIM)
set(OPR_TESTING_LIBS -lcurl -lssl -lcrypto -lnghttp2 -ljson-c -lyaml -lev -lm -ldl -pthread)
if(OPR_SANITIZE)
    list(APPEND OPR_TESTING_LIBS -fsanitize=${OPR_SANITIZE})
endif()
list(JOIN OPR_TESTING_LIBS " " OPR_TESTING_LIBS_TEXT)

# The manual page and the completions are printed by the program, from the tables that it parses with.
set(texts "")
foreach(text IN ITEMS "operon.1:man" "operon.bash:completion bash" "_operon:completion zsh")
    string(REGEX REPLACE ":.*" "" file ${text})
    string(REGEX REPLACE ".*:" "" words ${text})
    separate_arguments(words)
    add_custom_command(
        OUTPUT ${CMAKE_BINARY_DIR}/doc/${file}
        COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/doc
        COMMAND operon ${words} > ${CMAKE_BINARY_DIR}/doc/${file}
        DEPENDS operon
        VERBATIM)
    list(APPEND texts ${CMAKE_BINARY_DIR}/doc/${file})
endforeach()
# All that 'cmake --install' takes from the build folder.
add_custom_target(installable ALL DEPENDS ${testing_archive} ${texts} operon operon-shim)

set(share ${CMAKE_INSTALL_DATADIR})
install(TARGETS operon RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS operon-shim RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/operon)
get_property(plugins GLOBAL PROPERTY OPR_PLUGINS)
install(TARGETS ${plugins} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/operon/plugins)
install(DIRECTORY include/operon DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(FILES ${testing_archive} DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${CMAKE_BINARY_DIR}/doc/operon.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${CMAKE_BINARY_DIR}/doc/operon.bash
    DESTINATION ${share}/bash-completion/completions RENAME operon)
install(FILES ${CMAKE_BINARY_DIR}/doc/_operon DESTINATION ${share}/zsh/site-functions)
install(DIRECTORY examples/ DESTINATION ${share}/operon/examples PATTERN "build*" EXCLUDE)
install(DIRECTORY lua/policies/ DESTINATION ${share}/operon/policies FILES_MATCHING PATTERN "*.lua")
install(DIRECTORY deploy/crds DESTINATION ${share}/operon)
install(FILES README.md CHANGELOG.md docs/ABI.md docs/ARCHITECTURE.md docs/METRICS.md docs/POLICIES.md
    DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/operon)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/operonConfig.cmake.in
    ${CMAKE_BINARY_DIR}/operonConfig.cmake INSTALL_DESTINATION ${package}
    PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_BINDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/operonConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/operonConfig.cmake ${CMAKE_BINARY_DIR}/operonConfigVersion.cmake
    DESTINATION ${package})
# Relative to the file's own place, so that an installed tree may be moved.
file(RELATIVE_PATH OPR_PREFIX_FROM_PC /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
string(REGEX REPLACE "/$" "" OPR_PREFIX_FROM_PC "${OPR_PREFIX_FROM_PC}")
foreach(pc IN ITEMS operon operon-testing)
    configure_file(${CMAKE_CURRENT_LIST_DIR}/${pc}.pc.in ${CMAKE_BINARY_DIR}/${pc}.pc @ONLY)
    install(FILES ${CMAKE_BINARY_DIR}/${pc}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
