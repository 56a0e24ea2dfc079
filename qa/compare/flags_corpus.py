"""The tests that flags.py runs, and those whose outcome under a tracer differs.

The tests take a few seconds each with all flags, need no network, and have the same outcome each time.
"""

import collections

MODULES = '''
    test___future__ test__opcode test_abc test_abstract_numbers test_aifc test_argparse test_array test_asdl_parser
    test_ast test_asyncgen test_atexit test_audioop test_augassign test_base64 test_baseexception test_binascii
    test_binop test_bisect test_bool test_bufio test_builtin test_calendar test_call test_cmath test_cmd test_code
    test_codeccallbacks test_codeop test_collections test_colorsys test_compare test_complex test_configparser
    test_contains test_context test_contextlib test_contextlib_async test_copy test_copyreg test_coroutines test_csv
    test_dataclasses test_decimal test_decorators test_defaultdict test_deque test_descr test_descrtut test_dict
    test_dict_version test_dictcomps test_dictviews test_difflib test_dis test_doctest2 test_dynamic
    test_dynamicclassattribute test_enum test_enumerate test_eof test_except_star test_exception_group
    test_exception_hierarchy test_exception_variations test_exceptions test_extcall test_file test_filecmp
    test_fileinput test_float test_flufl test_fnmatch test_format test_fractions test_frame test_fstring
    test_funcattrs test_functools test_future test_future3 test_future4 test_future5 test_gc test_generator_stop
    test_generators test_genericalias test_genericclass test_genericpath test_genexps test_getopt test_gettext
    test_glob test_global test_grammar test_graphlib test_hash test_hashlib test_heapq test_hmac test_html
    test_htmlparser test_http_cookiejar test_http_cookies test_imghdr test_index test_inspect test_int
    test_int_literal test_ipaddress test_isinstance test_iter test_iterlen test_itertools test_json test_keyword
    test_keywordonlyarg test_linecache test_list test_listcomps test_locale test_longexp test_memoryio
    test_memoryview test_metaclass test_mimetypes test_minidom test_module test_modulefinder test_named_expressions
    test_netrc test_ntpath test_numeric_tower test_opcache test_opcodes test_operator test_optparse
    test_ordered_dict test_pathlib test_patma test_peepholer test_picklebuffer test_pkg test_plistlib
    test_positional_only_arg test_posixpath test_pow test_pprint test_print test_property test_pstats test_pulldom
    test_pyclbr test_quopri test_raise test_range test_re test_reprlib test_richcmp test_rlcompleter
    test_robotparser test_sax test_sched test_scope test_secrets test_setcomps test_shlex test_slice test_sndhdr
    test_sort test_stat test_strftime test_string test_string_literals test_stringprep test_strptime test_struct
    test_structseq test_sunau test_super test_symtable test_syntax test_tabnanny test_textwrap test_thread
    test_threading_local test_tomllib test_traceback test_tuple test_type_annotations test_type_cache
    test_typechecks test_types test_typing test_ucn test_unary test_unicode_identifiers test_univnewlines
    test_unpack test_unpack_ex test_urlparse test_userdict test_userlist test_userstring test_utf8source test_uu
    test_uuid test_weakset test_with test_wsgiref test_xdrlib test_xml_dom_minicompat test_yield_from
'''

# A filter for 'instruction' events.
LOADS = ['LOAD_FAST', 'LOAD_GLOBAL', 'LOAD_NAME', 'LOAD_DEREF', 'LOAD_CLASSDEREF', 'LOAD_ATTR', 'LOAD_METHOD']

# For each pattern of test names: why the tests differ, and whether they also do on stock CPython under sys.settrace().
Listed = collections.namedtuple('Listed', 'reason on_stock', defaults=[False])
EXCEPTIONS = {
    'test.test_descr.DictProxyTests.test_iter_*': Listed(
        'skips itself when there is a trace function', on_stock=True),
    'test.test_genexps.__test__.doctests': Listed(
        'exists only if no trace function is set when the module is imported', on_stock=True),
    'test.test_metaclass.__test__.doctests': Listed(
        'exists only if no trace function is set when the module is imported', on_stock=True),
    'test.test_frame.ClearTest.test_lineno_with_tracing': Listed(
        'sets True as the trace function of a frame, which is called as soon as the thread is traced', on_stock=True),
    'test.test_frame.TestIncompleteFrameAreInvisible.test_sneaky_frame_object': Listed(
        'waits for the first allocation after gc.enable(), which is now made for the tracer of its own frame',
        on_stock=True),
    'test.test_generators.SignalAndYieldFromTest.test_raise_and_yield_from': Listed(
        'sends itself a signal to be handled in a generator, but the tracer runs when it arrives', on_stock=True),
    'test.test_traceback.TracebackFormatTests.test_recursive_traceback_*': Listed(
        'expects the traceback of a RecursionError, which is now raised in the tracer, one call deeper', on_stock=True),
}
