"""The programs that call the agent (stonith_admin, pcs, crmsh, dlm), and every command of the documents, run for real.

Needs the lab, root and a Debian tree with these programs; in CI only.
"""
