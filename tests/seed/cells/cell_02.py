# usually the closer to success, the bigger the integer is    
class Step1StatusEnum(st.BaseStatusEnum):
    pending = 10
    in_progress = 20
    failed = 30
    succeeded = 40
    ignored = 50


class Step2StatusEnum(st.BaseStatusEnum):
    pending = 40
    in_progress = 70
    failed = 80
    succeeded = 90
    ignored = 100
