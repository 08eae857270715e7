for step1 in Step1.query_by_status(status=Step1StatusEnum.succeeded):
    print("by default, the `data` attributes is the default value (set by ORM model)")
    rprint(step1.data)
    print("after refresh, the `data` attributes is the real value ")
    step1.refresh()
    rprint(step1.data)
